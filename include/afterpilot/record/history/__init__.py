"""What the run history pages ask the ops database: bounded, read-only queries over one connection.

Lists are paged by key, never by offset, so that paging on while rows arrive shows each row exactly once.
"""
