# A server of your own in a container: docs/self-hosting.md.
FROM node:22-slim AS page
WORKDIR /concave/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY sdk /concave/sdk
COPY web ./
RUN npm run build

FROM python:3.13-slim AS guides
WORKDIR /concave
COPY requirements-dev.txt ./
RUN grep -E "^(markdown-it-py|pygments)==" requirements-dev.txt > guides.txt && pip install --no-cache-dir -r guides.txt
COPY README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md ./
COPY docs docs
COPY sdk sdk
COPY web/README.md web/
COPY infra/__init__.py infra/
COPY infra/guides infra/guides
RUN python -m infra.guides

FROM python:3.13-slim
WORKDIR /concave
ENV PYTHONUNBUFFERED=1 DATA_DIR=/data HOST=0.0.0.0 PORT=3210
COPY requirements.txt requirements-server.txt ./
RUN pip install --no-cache-dir -r requirements-server.txt
COPY app.py ./
COPY .chalice/config.json .chalice/
COPY chalicelib chalicelib
COPY concave/__init__.py concave/
COPY examples examples
COPY infra infra
COPY --from=page /concave/web/dist web/dist
COPY --from=page /concave/web/dist-dashboard web/dist-dashboard
COPY --from=guides /concave/web/dist-guides web/dist-guides
RUN python -m compileall -q app.py chalicelib concave infra examples && useradd --system --home-dir /data --create-home concave
USER concave
VOLUME /data
EXPOSE 3210
STOPSIGNAL SIGTERM
HEALTHCHECK CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/version')"]
CMD ["python", "-m", "infra.local.serve"]
