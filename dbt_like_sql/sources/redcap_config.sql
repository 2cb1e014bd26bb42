-- Grain: one row per setting of REDCap that is read here. `redcap_version` is part of every link to a project.
SELECT field_name, value
FROM redcap_config
WHERE field_name = 'redcap_version'
