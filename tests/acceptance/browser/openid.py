"""A provider of OpenID Connect that names whom it is told to, without asking for a password."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

ALGORITHM = "RS256"


class Provider:
    """Answers on a port of this machine until it is closed; `email` is who logs in next."""

    def __init__(self, client: str):
        self.client, self.email, self.nonce = client, "", ""
        self.key = RSAKey.generate_key(2048, {"kid": "key", "use": "sig", "alg": ALGORITHM})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _answers(self))
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def described(self) -> dict[str, Any]:
        """What a client reads first (OpenID Connect Discovery 1.0, section 3)."""
        return {
            "issuer": self.address, "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token", "jwks_uri": f"{self.address}/keys",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }

    def tokens(self) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.address, "aud": self.client, "sub": self.email, "email": self.email,
                  "email_verified": True, "iat": now, "exp": now + 600, "nonce": self.nonce}
        signed = jwt.encode({"alg": ALGORITHM, "kid": "key"}, claims, self.key)
        return {"access_token": "none", "token_type": "Bearer", "expires_in": 600, "id_token": signed}


def _answers(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path == "/authorize":
                query = dict(parse_qsl(asked.query))
                provider.nonce = query.get("nonce", "")
                self.send_response(302)
                back = urlencode({"code": "code", "state": query["state"]})
                self.send_header("Location", f"{query['redirect_uri']}?{back}")
                self.end_headers()
            else:
                keys = {"keys": [provider.key.as_dict(private=False)]}
                self._send(keys if asked.path == "/keys" else provider.described())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._send(provider.tokens())

        def _send(self, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Answers
