-- The roles of a PostgreSQL server, each with what it needs and no more. Run as its superuser; running it again changes
-- the passwords to those of the environment, which may hold any character:
--   psql --dbname=postgres --set=ON_ERROR_STOP=1 --file=roles.sql
--
--   meshmill_owner    owns the tables: `meshmill db upgrade`, backups
--   meshmill          workers, nights, people's commands: reads and writes rows, changes no table
--   meshmill_gallery  the gallery and its metrics: reads everything, writes a person's decision
--   meshmill_reader   other teams: the two views, nothing else
--   prefect           Prefect's server, in a database of its own
\getenv owner_password MESHMILL_OWNER_PASSWORD
\getenv worker_password MESHMILL_WORKER_PASSWORD
\getenv gallery_password MESHMILL_GALLERY_PASSWORD
\getenv reader_password MESHMILL_READER_PASSWORD
\getenv prefect_password PREFECT_DATABASE_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['meshmill_owner', 'meshmill', 'meshmill_gallery', 'meshmill_reader', 'prefect']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

ALTER ROLE meshmill_owner PASSWORD :'owner_password';
ALTER ROLE meshmill PASSWORD :'worker_password';
ALTER ROLE meshmill_gallery PASSWORD :'gallery_password';
ALTER ROLE meshmill_reader PASSWORD :'reader_password';
ALTER ROLE prefect PASSWORD :'prefect_password';

SELECT format('CREATE DATABASE %I OWNER %I', name, owner)
FROM (VALUES ('meshmill', 'meshmill_owner'), ('prefect', 'prefect')) AS wanted (name, owner)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

REVOKE ALL ON DATABASE meshmill, prefect FROM PUBLIC;
GRANT CONNECT ON DATABASE meshmill TO meshmill, meshmill_gallery, meshmill_reader;

\connect meshmill
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO meshmill_owner;
GRANT USAGE ON SCHEMA public TO meshmill, meshmill_gallery, meshmill_reader;

-- Of every table that a later version makes; deploy/grants.sql gives the rest, after each `meshmill db upgrade`.
ALTER DEFAULT PRIVILEGES FOR ROLE meshmill_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO meshmill;
ALTER DEFAULT PRIVILEGES FOR ROLE meshmill_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO meshmill;
ALTER DEFAULT PRIVILEGES FOR ROLE meshmill_owner IN SCHEMA public GRANT SELECT ON TABLES TO meshmill_gallery;
