-- Grain: one row per REDCap user. What table-based accounts are billed by; apart from redcap_user_information.sql, so that
-- a site without such accounts grants no more.
SELECT
    ui_id,
    username,
    user_sponsor,
    user_expiration,
    user_comments
FROM redcap_user_information
