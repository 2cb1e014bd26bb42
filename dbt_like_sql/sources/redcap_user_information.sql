-- Grain: one row per REDCap user.
SELECT
    ui_id,
    username,
    user_email,
    user_email2,
    user_email3,
    user_firstname,
    user_lastname,
    user_lastlogin,
    user_suspended_time
FROM redcap_user_information
