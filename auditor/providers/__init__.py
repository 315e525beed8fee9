"""What is known of each provider, one file each: dated, sourced facts."""
