-- What the roles of deploy/roles.sql may do with the tables and views that stand. Run as meshmill_owner after every
-- `meshmill db upgrade`: a view that is made anew has forgotten who may read it.
--   psql --dbname=meshmill --set=ON_ERROR_STOP=1 --file=grants.sql
REVOKE ALL ON SCHEMA public FROM PUBLIC; -- as after a restore, which makes the schema anew
GRANT USAGE ON SCHEMA public TO meshmill, meshmill_gallery, meshmill_reader;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO meshmill;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO meshmill;
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM meshmill;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO meshmill_gallery;
GRANT INSERT ON review, comment TO meshmill_gallery;
GRANT USAGE ON SEQUENCE review_id_seq, comment_id_seq TO meshmill_gallery;
GRANT UPDATE (decision, undone_by, undone_at) ON review TO meshmill_gallery;
GRANT UPDATE (status, reason, error_class, finished_at) ON asset TO meshmill_gallery;
GRANT INSERT, UPDATE, DELETE ON publication TO meshmill_gallery;

GRANT SELECT ON finished_assets, finished_files TO meshmill_reader;
