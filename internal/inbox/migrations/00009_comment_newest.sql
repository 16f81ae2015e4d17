-- +goose Up
-- Of each person the newest approval by comment of a pull request is kept.
DELETE FROM comment_approvals WHERE EXISTS (
    SELECT 1 FROM comment_approvals AS newer
    WHERE newer.repository = comment_approvals.repository AND newer.pull = comment_approvals.pull AND newer.person = comment_approvals.person
      AND (newer.written, newer.comment) > (comment_approvals.written, comment_approvals.comment)
);

DROP INDEX comment_approvals_pull;
CREATE UNIQUE INDEX comment_approvals_person ON comment_approvals (repository, pull, person);

-- When somebody took back last what they approved by comment. What they wrote before may
-- be heard of later.
CREATE TABLE comment_withdrawals (
    repository INTEGER NOT NULL,
    pull       INTEGER NOT NULL,
    person     INTEGER NOT NULL,
    at         INTEGER NOT NULL, -- nanoseconds since 1970, UTC, by GitHub's clock
    PRIMARY KEY (repository, pull, person)
) STRICT, WITHOUT ROWID;
