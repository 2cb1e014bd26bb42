-- Grain: one row per setting of REDCap that is read here. `redcap_version` is part of every link to a project; the Sponsor
-- Dashboard is where sponsors renew accounts.
SELECT field_name, value
FROM redcap_config
WHERE field_name IN ('redcap_version', 'user_sponsor_dashboard_enable')
