"""Prints the options that stock Cinder has, "group name" a line: what an import of its configuration must know."""

import sys
from unittest import mock

# The drivers for other clouds' stores want libraries that nothing here needs.
for name in ("googleapiclient", "googleapiclient.discovery", "googleapiclient.errors", "googleapiclient.http",
             "google", "google.auth", "google.oauth2", "google_auth_httplib2", "httplib2", "boto3", "botocore",
             "botocore.config", "botocore.exceptions", "botocore.vendored", "botocore.vendored.requests",
             "botocore.vendored.requests.packages", "botocore.vendored.requests.packages.urllib3",
             "botocore.vendored.requests.packages.urllib3.exceptions"):
    sys.modules.setdefault(name, mock.MagicMock())

from cinder import opts  # noqa: E402
from keystonemiddleware import opts as middleware  # noqa: E402

for group, options in [*opts.list_opts(), *middleware.list_auth_token_opts()]:
    for option in options:
        print(getattr(group, "name", group) or "DEFAULT", option.dest)
