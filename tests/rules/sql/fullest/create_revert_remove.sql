-- Created leads nobody has touched: referenced ones stay, the others are removed.
CREATE TEMPORARY TABLE lead_revert_remove (
    record integer NOT NULL,
    lead_id uuid PRIMARY KEY,
    referenced boolean NOT NULL DEFAULT false,
    removed boolean NOT NULL DEFAULT false
) ON COMMIT DELETE ROWS
