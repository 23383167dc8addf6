-- Erasures whose rows are gone, but whose traces in files are not proven to be. The next command that opens the store
-- finishes them.

CREATE TABLE pending_erasures (
    id uuid PRIMARY KEY,
    begun timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,                -- 'forget' or 'expire'
    subjects uuid[] NOT NULL,
    counts jsonb NOT NULL,
    deleted_by xid8 NOT NULL,            -- the transaction that deleted the rows
    partitions text[] NOT NULL,          -- of vectors, that held some of them
    indexes text[] NOT NULL DEFAULT '{}' -- definitions of the approximate indexes that are rebuilt
);

-- The hash of a picture names it: no samples of these for the planner either.
ALTER TABLE images ALTER COLUMN hash SET STATISTICS 0;
ALTER TABLE sightings ALTER COLUMN image SET STATISTICS 0;
