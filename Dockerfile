# Two stages: what builds the environment is not in what runs.
FROM python:3.13-slim AS build
WORKDIR /srv
COPY requirements.lock ./
RUN python -m venv /srv/venv \
    && /srv/venv/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE alembic.ini ./
COPY app ./app
COPY migrations ./migrations
RUN /srv/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation --editable .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data redblack && install -d -o redblack /data
COPY --from=build /srv /srv
ENV PATH=/srv/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 REDBLACK_DATA_DIR=/data
WORKDIR /data
VOLUME /data
USER redblack
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["redblack", "serve", "--host", "0.0.0.0"]
