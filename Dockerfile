# syntax=docker/dockerfile:1
# One image for web, worker, beat and commands; compose.yaml says which is which.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install -r requirements.txt
COPY . .
# A key is needed to start at all; this one signs nothing and is in no layer of the final image.
RUN SECRET_KEY=$(python -c "import secrets; print(secrets.token_urlsafe(50))") VAR_DIR=/tmp/build STATIC_ROOT=/app/staticfiles \
    /opt/venv/bin/python manage.py collectstatic --no-input

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Review Queue" org.opencontainers.image.licenses="MIT"
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/data STATIC_ROOT=/app/staticfiles LAUNCHPAD_CREDENTIALS_FILE=/data/lp-creds WEB_BIND=0.0.0.0:8000
RUN groupadd --system --gid 10001 queue \
    && useradd --system --uid 10001 --gid queue --home-dir /data --shell /usr/sbin/nologin queue \
    && install --directory --owner=queue --group=queue --mode=0700 /data
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "reviewqueue.wsgi"]
