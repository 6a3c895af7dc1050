"""What calls cost: prices, sums, bills, caps that were raised or reached, and what gateways are told."""
