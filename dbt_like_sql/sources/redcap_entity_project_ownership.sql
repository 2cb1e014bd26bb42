-- Grain: one row per ownership record of the Project Ownership module; usually, not always, one per project.
SELECT
    id,
    pid,
    username,
    email,
    firstname,
    lastname,
    billable,
    sequestered,
    created,
    updated
FROM redcap_entity_project_ownership
