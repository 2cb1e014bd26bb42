-- Grain: one row per table-based account. Its name and no more: the rest is passwords.
SELECT username
FROM redcap_auth
