"""What every process of mirrordiff is run with: settings, logs, its HTTP side, its way to Redis."""
