-- The least rights of rcbill's users, for MariaDB and MySQL. Set the passwords and, better, replace '%' by the host.
-- In rcbill they come from the environment: RCBILL_REDCAP_PASSWORD, RCBILL_REDCAP_WRITE_PASSWORD and
-- RCBILL_BILLING_PASSWORD.

-- 1. Reading REDCap (on the replica, where there is one): only the columns of dbt_like_sql/sources/*.sql.
CREATE USER IF NOT EXISTS 'rcbill_reader'@'%' IDENTIFIED BY 'set-a-password';
GRANT SELECT (field_name, value) ON redcap.redcap_config TO 'rcbill_reader'@'%';
GRANT SELECT (project_id, app_title, purpose, creation_time, completed_time, completed_by, date_deleted, last_logged_event,
              log_event_table, project_pi_firstname, project_pi_lastname, project_pi_email, project_pi_username,
              project_irb_number) ON redcap.redcap_projects TO 'rcbill_reader'@'%';
GRANT SELECT (ui_id, username, user_email, user_email2, user_email3, user_firstname, user_lastname, user_lastlogin,
              user_suspended_time) ON redcap.redcap_user_information TO 'rcbill_reader'@'%';
GRANT SELECT (id, pid, username, email, firstname, lastname, billable, sequestered, created, updated)
    ON redcap.redcap_entity_project_ownership TO 'rcbill_reader'@'%';
GRANT SELECT (project_id, record_count, time_of_count) ON redcap.redcap_record_counts TO 'rcbill_reader'@'%';
-- Table-based accounts (service 3), where they are billed: never the passwords.
GRANT SELECT (username) ON redcap.redcap_auth TO 'rcbill_reader'@'%';
GRANT SELECT (user_sponsor, user_expiration, user_comments) ON redcap.redcap_user_information TO 'rcbill_reader'@'%';
-- Rights and roles: every column but tokens. Which these are differs by REDCap's version: this prints the two statements.
SELECT CONCAT('GRANT SELECT (', GROUP_CONCAT(CONCAT('`', column_name, '`') ORDER BY ordinal_position), ') ON ', table_schema,
              '.', table_name, ' TO ''rcbill_reader''@''%'';') AS run_this
FROM information_schema.columns
WHERE table_schema = 'redcap' AND table_name IN ('redcap_user_rights', 'redcap_user_roles') AND column_name NOT LIKE '%token'
GROUP BY table_schema, table_name;

-- 2. The billing ledger: a database of its own. TRIGGER and CREATE VIEW are for `rcbill ledger upgrade`.
CREATE DATABASE IF NOT EXISTS rcbill CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE USER IF NOT EXISTS 'rcbill'@'%' IDENTIFIED BY 'set-a-password';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER, CREATE VIEW, SHOW VIEW
    ON rcbill.* TO 'rcbill'@'%';

-- 3. A peer-made billing database, for `rcbill adopt` only: read, never written.
-- GRANT SELECT ON rcc_billing.* TO 'rcbill_reader'@'%';

-- 4. Writing into REDCap (never a replica), for [doors] redcap_writes = "apply" only. Each right belongs to one use; grant
-- those that you use. Every write is a change set: `rcbill changes list`.
CREATE USER IF NOT EXISTS 'rcbill_writer'@'%' IDENTIFIED BY 'set-a-password';
-- The copy of the line items. The table is made by hand: `rcbill mirror ddl` prints how. DELETE is for taking a set back.
GRANT SELECT, INSERT, UPDATE, DELETE ON redcap.invoice_line_item TO 'rcbill_writer'@'%';
-- With the door closed ([doors] redcap_writes = "plan") the reader looks at the copy instead:
-- GRANT SELECT ON redcap.invoice_line_item TO 'rcbill_reader'@'%';
-- What is left of the free hour of support. This table is made by hand too: the job `write_free_support_time` says how.
GRANT SELECT (project_id, free_support_time_remaining), INSERT (project_id, free_support_time_remaining),
      UPDATE (free_support_time_remaining), DELETE ON redcap.free_support_time_remaining TO 'rcbill_writer'@'%';
-- With the door closed:
-- GRANT SELECT (project_id, free_support_time_remaining) ON redcap.free_support_time_remaining TO 'rcbill_reader'@'%';
-- Owners, sequestrations and deletions. What is written is read first, where it is written.
GRANT SELECT (project_id, completed_time, completed_by, date_deleted, log_event_table),
      UPDATE (completed_time, completed_by, date_deleted) ON redcap.redcap_projects TO 'rcbill_writer'@'%';
GRANT SELECT (id, pid, username, email, firstname, lastname, billable, sequestered, created, updated),
      INSERT (pid, username, email, firstname, lastname, billable, sequestered, created, updated),
      UPDATE (username, email, firstname, lastname, billable, sequestered, updated), DELETE
    ON redcap.redcap_entity_project_ownership TO 'rcbill_writer'@'%';
-- Table-based accounts that are not paid for: when they expire, and a line of comments with why.
GRANT SELECT (ui_id, username, user_expiration, user_comments), UPDATE (user_expiration, user_comments)
    ON redcap.redcap_user_information TO 'rcbill_writer'@'%';
-- How often a project was brought back is looked up in its log table, and a deletion leaves its row there. This prints the
-- statements for the log tables that your REDCap has.
SELECT CONCAT('GRANT SELECT (project_id, ts, event, page, description), INSERT (ts, `user`, page, event, object_type, sql_log, ',
              'pk, project_id, data_values, description, legacy) ON ', table_schema, '.', table_name,
              ' TO ''rcbill_writer''@''%'';') AS run_this
FROM information_schema.tables
WHERE table_schema = 'redcap' AND table_name REGEXP '^redcap_log_event[0-9]*$';
-- With the door closed the reader looks into the logs and at those rows instead: the same SELECTs for 'rcbill_reader'.
