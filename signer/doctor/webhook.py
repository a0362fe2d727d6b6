"""Whether the receiver of approvals' notices can be told, and took the last one."""

from __future__ import annotations

from collections.abc import Iterator

from signer.doctor.examination import Examination
from signer.doctor.report import Finding, ok, warning
from signer.notices_file import NoticesFile
from signer.webhook_secret import WebhookSecretUnusable, read_secret

NOT_TOLD = "nothing has waited for approvals since the receiver was named, or the service does not run"
RECEIVER = "reach the receiver from this machine; what was not taken is sent again"


def webhook(examination: Examination) -> Iterator[Finding]:
    """A line for the secret, and one for the receiver."""
    settings = examination.settings
    if settings.approvals.webhook_url is None or settings.approvals.webhook_secret_file is None:
        yield ok("nobody is told of what waits for approvals")
        return
    try:
        read_secret(settings.approvals.webhook_secret_file)
    except WebhookSecretUnusable as error:
        yield warning(f"the webhook's secret file {error}", "openssl rand -base64 32 makes what follows whsec_")
    else:
        yield ok("the webhook's secret can be used")
    report = NoticesFile(settings.notices_file).read()
    if report is None:
        yield ok(f"the webhook was not used yet: {NOT_TOLD}")
    elif report.failure is not None:
        yield warning(f"the webhook does not take notices: {report.failure}", RECEIVER)
    else:
        yield ok("the webhook takes notices")
