-- The least rights of rcbill's users, for MariaDB and MySQL. Set the passwords and, better, replace '%' by the host.
-- In rcbill they come from the environment: RCBILL_REDCAP_PASSWORD, RCBILL_REDCAP_WRITE_PASSWORD and
-- RCBILL_BILLING_PASSWORD.

-- 1. Reading REDCap (on the replica, where there is one): only the columns of dbt_like_sql/sources/*.sql.
CREATE USER IF NOT EXISTS 'rcbill_reader'@'%' IDENTIFIED BY 'set-a-password';
GRANT SELECT (field_name, value) ON redcap.redcap_config TO 'rcbill_reader'@'%';
GRANT SELECT (project_id, app_title, creation_time, date_deleted, project_pi_firstname, project_pi_lastname,
              project_pi_email, project_irb_number) ON redcap.redcap_projects TO 'rcbill_reader'@'%';
GRANT SELECT (ui_id, username, user_email, user_email2, user_email3, user_firstname, user_lastname)
    ON redcap.redcap_user_information TO 'rcbill_reader'@'%';
GRANT SELECT (id, pid, username, email, firstname, lastname, billable, sequestered)
    ON redcap.redcap_entity_project_ownership TO 'rcbill_reader'@'%';

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
