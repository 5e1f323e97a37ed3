"""Certificates and passwords for a broker of tests, made by openssl."""
import os, secrets, subprocess


def openssl(*words):
    done = subprocess.run(["openssl", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr.strip()}")


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign",
            "-keyout", os.path.join(folder, f"{name}.key"), "-out", os.path.join(folder, f"{name}.pem"))


def certificate(folder, name, issuer):
    path = lambda ending: os.path.join(folder, f"{name}.{ending}")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", path("key"),
            "-out", path("csr"))
    with open(path("ext"), "w", encoding="utf-8") as out:
        out.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", path("csr"), "-CA", os.path.join(folder, f"{issuer}.pem"), "-CAkey",
            os.path.join(folder, f"{issuer}.key"), "-CAcreateserial", "-days", "30", "-extfile", path("ext"),
            "-out", path("pem"))


def make(folder):
    """ca.pem; server.both, a keystore for Kafka; client.pem and client.key; stranger.pem, an authority that has
    signed none of them."""
    os.makedirs(folder)
    authority(folder, "ca")
    authority(folder, "stranger")
    certificate(folder, "server", "ca")
    certificate(folder, "client", "ca")
    with open(os.path.join(folder, "server.both"), "w", encoding="utf-8") as out:
        for ending in ("key", "pem"):
            with open(os.path.join(folder, f"server.{ending}"), encoding="utf-8") as part:
                out.write(part.read())


def make_users(folder, names):
    """A file of each user with his password, which nobody else may read; a quote and a blank must not hurt."""
    os.makedirs(folder)
    for name in names:
        descriptor = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(f"{secrets.token_hex(8)} '{name}'\n")
