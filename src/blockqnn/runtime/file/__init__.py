"""What a run's file is made of: tables, checksums, lock, disk. The store is made of these."""
