-- +goose Up
-- Beside the record, in its schema. Names are resolved by the search path, which is that schema alone while migrations
-- run. What the columns mean is told where the inbox is a SQLite file, in the folder above.
-- Text is compared byte by byte: the order is that of the file, and no upgrade of the machine's collations changes it.

CREATE TABLE deliveries (
    guid     text    COLLATE "C" NOT NULL PRIMARY KEY,
    event    text    COLLATE "C" NOT NULL,
    received bigint  NOT NULL, -- nanoseconds since 1970, UTC; so are all times
    state    text    COLLATE "C" NOT NULL CHECK (state IN ('pending', 'done', 'parked')),
    attempts integer NOT NULL DEFAULT 0,
    reason   text    NOT NULL DEFAULT '',
    body     bytea   NOT NULL
);

CREATE INDEX deliveries_state ON deliveries (state, received, guid);

CREATE TABLE reviews (
    repository bigint NOT NULL,
    review     bigint NOT NULL,
    sha        text   NOT NULL,
    base       text   NOT NULL,
    PRIMARY KEY (repository, review)
);

CREATE TABLE heads (
    repository   bigint NOT NULL,
    pull         bigint NOT NULL,
    sha          text   COLLATE "C" NOT NULL,
    before       text   COLLATE "C" NOT NULL,
    pushed       bigint NOT NULL,
    pusher       bigint NOT NULL,
    pusher_login text   NOT NULL,
    pusher_type  text   NOT NULL,
    PRIMARY KEY (repository, pull, sha)
);

CREATE TABLE merges (
    repository bigint  NOT NULL,
    sha        text    COLLATE "C" NOT NULL,
    pull       bigint  NOT NULL,
    by_person  boolean NOT NULL,
    PRIMARY KEY (repository, sha)
);

CREATE TABLE written (
    repository text   COLLATE "C" NOT NULL,
    pull       bigint NOT NULL,
    name       text   COLLATE "C" NOT NULL,
    id         bigint NOT NULL,
    digest     text   COLLATE "C" NOT NULL,
    PRIMARY KEY (repository, pull, name)
);

CREATE INDEX written_owed ON written (repository, pull) WHERE name = 'owed' AND digest = 'owed';

CREATE TABLE soaks (
    application text  COLLATE "C" NOT NULL PRIMARY KEY,
    memory      bytea NOT NULL
);

CREATE TABLE first_digests (
    repository bigint NOT NULL,
    pull       bigint NOT NULL,
    sha        text   COLLATE "C" NOT NULL,
    image      text   COLLATE "C" NOT NULL,
    digest     text   NOT NULL,
    PRIMARY KEY (repository, pull, sha, image)
);

CREATE TABLE pushes (
    repository   bigint NOT NULL,
    branch       text   COLLATE "C" NOT NULL, -- the digest of a name that is too long for an index
    sha          text   COLLATE "C" NOT NULL,
    before       text   COLLATE "C" NOT NULL,
    pushed       bigint NOT NULL,
    pusher       bigint NOT NULL,
    pusher_login text   NOT NULL,
    pusher_type  text   NOT NULL,
    kept         bigint NOT NULL,
    PRIMARY KEY (repository, branch, sha)
);

CREATE INDEX pushes_kept ON pushes (kept);

CREATE TABLE accounts (
    repository bigint NOT NULL,
    sha        text   COLLATE "C" NOT NULL,
    role       text   COLLATE "C" NOT NULL CHECK (role IN ('author', 'committer')),
    "user"     bigint NOT NULL,
    login      text   NOT NULL,
    type       text   NOT NULL,
    kept       bigint NOT NULL,
    PRIMARY KEY (repository, sha, role)
);

CREATE INDEX accounts_kept ON accounts (kept);

CREATE TABLE facts (
    repository bigint NOT NULL,
    kind       text   COLLATE "C" NOT NULL,
    name       text   COLLATE "C" NOT NULL,
    value      bytea  NOT NULL,
    kept       bigint NOT NULL,
    PRIMARY KEY (repository, kind, name)
);

CREATE INDEX facts_kept ON facts (kept);

CREATE TABLE asked (
    id         text    COLLATE "C" NOT NULL PRIMARY KEY,
    received   bigint  NOT NULL,
    state      text    COLLATE "C" NOT NULL CHECK (state IN ('pending', 'done')),
    asked      bytea   NOT NULL,
    progress   bytea   NOT NULL,
    repository bigint  NOT NULL,
    pull       bigint  NOT NULL,
    answered   boolean NOT NULL DEFAULT false
);

CREATE INDEX asked_pending ON asked (received, id) WHERE state = 'pending';

CREATE TABLE comment_approvals (
    comment    bigint NOT NULL PRIMARY KEY,
    repository bigint NOT NULL,
    pull       bigint NOT NULL,
    person     bigint NOT NULL,
    login      text   NOT NULL,
    type       text   NOT NULL,
    sha        text   NOT NULL,
    base       text   NOT NULL,
    written    bigint NOT NULL,
    body       text   NOT NULL,
    withdrawn  bigint NOT NULL,
    UNIQUE (repository, pull, person)
);

CREATE TABLE comment_withdrawals (
    repository bigint NOT NULL,
    pull       bigint NOT NULL,
    person     bigint NOT NULL,
    at         bigint NOT NULL,
    PRIMARY KEY (repository, pull, person)
);

CREATE TABLE judged (
    repository text    COLLATE "C" NOT NULL,
    pull       bigint  NOT NULL,
    policy     text    NOT NULL,
    news       bigint  NOT NULL,
    basis      text    NOT NULL,
    concerned  boolean NOT NULL,
    PRIMARY KEY (repository, pull)
);

CREATE TABLE news (
    repository text   COLLATE "C" NOT NULL,
    branch     text   COLLATE "C" NOT NULL,
    number     bigint NOT NULL,
    PRIMARY KEY (repository, branch)
);

-- Who leads: the number of the last term, and what its leader vouches for.
CREATE TABLE leadership (
    one    boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    term   bigint  NOT NULL,
    leader text    NOT NULL,
    since  bigint  NOT NULL,
    vouched bigint NOT NULL -- what was written in this term is not older than that
);

INSERT INTO leadership (term, leader, since, vouched) VALUES (0, '', 0, 0);

-- The latest judgement of each Application.
CREATE TABLE judgements (
    application text   COLLATE "C" NOT NULL PRIMARY KEY, -- namespace/name
    uid         text   COLLATE "C" NOT NULL,
    term        bigint NOT NULL,
    at          bigint NOT NULL,
    -- The leader does not vouch that it is newer than that.
    late        boolean NOT NULL DEFAULT false,
    judgement   bytea  NOT NULL -- opaque here, see internal/gate
);

CREATE INDEX judgements_late ON judgements (application) WHERE late;

-- Wakes those who listen, when the transaction is committed.
-- +goose StatementBegin
CREATE FUNCTION inbox_tell() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_catalog.pg_notify('gatekeeper', TG_TABLE_SCHEMA || ' ' || TG_ARGV[0]);
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER deliveries_tell AFTER INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION inbox_tell('delivery');
CREATE TRIGGER deliveries_tell_again AFTER UPDATE ON deliveries FOR EACH ROW
    WHEN (OLD.state = 'parked' AND NEW.state = 'pending') EXECUTE FUNCTION inbox_tell('delivery');
CREATE TRIGGER asked_tell AFTER INSERT ON asked FOR EACH ROW EXECUTE FUNCTION inbox_tell('asked');
