-- Grain: one row per project, deleted ones included. The table has over 150 columns; these are the ones billing reads.
SELECT
    project_id,
    app_title,
    creation_time,
    date_deleted,
    project_pi_firstname,
    project_pi_lastname,
    project_pi_email,
    project_irb_number
FROM redcap_projects
