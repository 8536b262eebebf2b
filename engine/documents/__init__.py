"""JSON documents: read leniently, published atomically, and watched for other programs' changes."""
