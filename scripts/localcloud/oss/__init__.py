"""OSS, as its clients speak it: buckets, objects, uploads, notifications."""
