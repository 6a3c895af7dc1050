"""Reading JSON APIs: one request at a time, page after page, with patience that ends."""
