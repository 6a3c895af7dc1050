"""What calls cost, and the periods over which caps are held."""
