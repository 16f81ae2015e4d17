-- +goose Up
-- Of each person the newest approval by comment of a pull request is kept.
DELETE FROM comment_approvals WHERE EXISTS (
    SELECT 1 FROM comment_approvals AS newer
    WHERE newer.repository = comment_approvals.repository AND newer.pull = comment_approvals.pull AND newer.person = comment_approvals.person
      AND (newer.written, newer.comment) > (comment_approvals.written, comment_approvals.comment)
);

DROP INDEX comment_approvals_pull;
CREATE UNIQUE INDEX comment_approvals_person ON comment_approvals (repository, pull, person);
