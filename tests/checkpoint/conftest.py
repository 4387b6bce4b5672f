"""The real S3 server and the small disk, for the tests of this folder."""

from tests.conftest_disk import small_disk
from tests.conftest_s3 import bucket, s3_server

__all__ = ["bucket", "s3_server", "small_disk"]
