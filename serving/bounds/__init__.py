"""What requests may take, each and all together, whatever interface they come by."""
