-- +goose Up
-- Which digest the tag of an image had when it was first seen for a head of a pull
-- request. A registry tells only what it has now.
CREATE TABLE first_digests (
	repository INTEGER NOT NULL,
	pull INTEGER NOT NULL,
	sha TEXT NOT NULL,
	image TEXT NOT NULL,
	digest TEXT NOT NULL,
	PRIMARY KEY (repository, pull, sha, image)
) WITHOUT ROWID;
