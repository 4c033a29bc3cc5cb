"""What delivery must cost, and aims at: each goal, how it is measured, and the table that `make bench` prints."""
