-- Grain: one row per project, deleted ones included. The table has over 150 columns; these are the ones that are read.
SELECT
    project_id,
    app_title,
    purpose,
    creation_time,
    completed_time,
    completed_by,
    date_deleted,
    last_logged_event,
    log_event_table,
    project_pi_firstname,
    project_pi_lastname,
    project_pi_email,
    project_pi_username,
    project_irb_number
FROM redcap_projects
