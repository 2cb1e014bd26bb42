-- Grain: one row per project and user with a row of rights. A row with a role grants what the role does, and nothing when
-- that role does not exist in that project. The words in braces are lists of privilege columns, which differ by REDCap's
-- version: they are taken from the database's own catalogue (resources/redcap_rights.py).
SELECT
    r.project_id,
    r.username,
    r.expiration,
    CASE WHEN r.role_id IS NULL OR o.role_id IS NOT NULL THEN 1 ELSE 0 END AS valid,
    CASE
        WHEN r.role_id IS NOT NULL AND o.role_id IS NULL THEN 0
        WHEN {any_privilege} THEN 1
        ELSE 0
    END AS any_privilege,
    CASE
        WHEN r.role_id IS NOT NULL AND o.role_id IS NULL THEN 0
        WHEN {high_privilege} THEN 1
        ELSE 0
    END AS high_privilege
FROM redcap_user_rights AS r
LEFT JOIN redcap_user_roles AS o ON o.role_id = r.role_id AND o.project_id = r.project_id
