"""What is connected, what runs on it, what this computer lacks, and what to do."""
