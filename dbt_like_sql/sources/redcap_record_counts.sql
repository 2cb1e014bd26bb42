-- Grain: one row per project whose records were counted.
SELECT
    project_id,
    record_count,
    time_of_count
FROM redcap_record_counts
