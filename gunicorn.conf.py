"""gunicorn reads this by itself: ``gunicorn reviewqueue.wsgi``. Each line can be changed from the environment."""

import os

from reviewqueue.settings import LOGGING, env  # reads .env too, as everything else does

bind = env.str("WEB_BIND", default="127.0.0.1:8000")
workers = env.int("WEB_WORKERS", default=2)
threads = env.int("WEB_THREADS", default=4)
worker_class = "gthread"
timeout = 30  # seconds; a page that takes longer is a fault, and Jenkins' curl tries again
graceful_timeout = 25  # seconds that requests under way have after a signal to stop
keepalive = 5
# A worker is replaced after so many requests, not all at once: what leaks stays small.
max_requests = 10_000
max_requests_jitter = 2_000
limit_request_line = 4094
limit_request_fields = 60
# gunicorn's sign of life is a file: on a disk that blocks, a healthy worker would be killed.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
control_socket_disable = True  # nobody of ours talks to it
# The application decides by X-Forwarded-Proto and NUM_PROXIES; gunicorn itself trusts nobody.
forwarded_allow_ips = "127.0.0.1"

# Never the query: callback URLs hold their token there. core/logging.py makes fields of it.
access_log_format = "method=%(m)s path=%(U)s status=%(s)s bytes=%(B)s ms=%(M)s client=%(h)s"
logconfig_dict = LOGGING
