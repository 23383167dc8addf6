-- The service: who may use it, what was changed, what was answered, whom to look out for.

CREATE TABLE tokens (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    hash bytea NOT NULL CHECK (length(hash) = 32),  -- SHA-256 of 256 random bits
    role text NOT NULL CHECK (role IN ('view', 'enrol', 'erase', 'admin')),
    cameras text[],                                 -- null: all
    created timestamptz NOT NULL DEFAULT now(),
    expires timestamptz,
    revoked timestamptz
);

CREATE TABLE sessions (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    token integer NOT NULL REFERENCES tokens ON DELETE CASCADE,
    expires timestamptz NOT NULL
);

-- What can be undone. Whoever is erased, goes from here too, with the names of before.
CREATE TABLE changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    by text NOT NULL,
    action text NOT NULL CHECK (action IN ('rename', 'merge', 'split')),
    identities bigint[] NOT NULL,
    names text[] NOT NULL,        -- rename: the old and the new one; else those of the identities
    sightings bigint[] NOT NULL,  -- that were moved
    before jsonb NOT NULL,        -- of each identity that a merge ends: id, subject, creation, sightings, events, watch,
                                  -- and the watch of the one that stayed; of the one that a split makes: id, subject
    undone timestamptz
);
CREATE INDEX changes_identities ON changes USING gin (identities);
ALTER TABLE changes ALTER COLUMN names SET STATISTICS 0;

-- A sighting that was moved has left its embedding in the files of another partition.
ALTER TABLE sightings ADD COLUMN moved boolean NOT NULL DEFAULT false;

CREATE TABLE answers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    by text NOT NULL,
    same boolean NOT NULL,
    distance double precision NOT NULL,
    model text NOT NULL,  -- fingerprint
    sighting bigint NOT NULL REFERENCES sightings ON DELETE CASCADE,
    other bigint REFERENCES sightings ON DELETE CASCADE
);
CREATE INDEX answers_sighting ON answers (sighting);
CREATE INDEX answers_other ON answers (other);

CREATE TABLE watches (
    identity bigint PRIMARY KEY REFERENCES identities ON DELETE CASCADE,
    distance double precision NOT NULL CHECK (distance BETWEEN 0 AND 2),
    by text NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE events (
    id bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    identity bigint NOT NULL REFERENCES identities ON DELETE CASCADE,
    sighting bigint NOT NULL REFERENCES sightings ON DELETE CASCADE,
    distance double precision NOT NULL
);
CREATE INDEX events_identity ON events (identity);
CREATE INDEX events_sighting ON events (sighting);
CREATE SEQUENCE events_id OWNED BY events.id;

-- The last event that each webhook has received; the target is a hash of its address.
CREATE TABLE webhooks (
    target bytea PRIMARY KEY CHECK (length(target) = 32),
    event bigint NOT NULL
);
