"""A client that knows nothing of the project but its contract, read over the reflection API.

It makes the COSE_Sign1 envelope, checks the receipt and talks gRPC with libraries of its own, so a mistake that broker and SDK
share would show here. Each check prints a line; the last line counts them.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import uuid

import cbor2
import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

AGENCY = "us-cbp"
DEADLINE_S = 20
passed = 0


def check(claim, holds, detail=""):
    global passed
    print(f"{'ok  ' if holds else 'FAIL'} {claim}", flush=True)
    if not holds:
        print(f"     {detail}")
        print(f"{passed} passed, 1 failed")
        sys.exit(1)
    passed += 1


def main(broker, buf):
    with tempfile.TemporaryDirectory(prefix="casebroker-interop-") as folder:
        folder = pathlib.Path(folder)
        subprocess.run([broker, "pki", "init", "--dir", folder / "site", "--listen", "127.0.0.1:0"], check=True, stdout=subprocess.DEVNULL)
        address_file = folder / "address"
        command = [broker, "serve", "--config", folder / "site/broker.toml", "--address-file", address_file]
        with open(folder / "log", "w") as log:
            process = subprocess.Popen(command, stderr=log)
        try:
            address = wait_for(address_file, process, folder / "log")
            converse(address, folder / "site/pki", buf)
        finally:
            process.terminate()
            process.wait(DEADLINE_S)
    print(f"{passed} passed, 0 failed")


def wait_for(address_file, process, log):
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until and process.poll() is None:
        if address_file.exists():
            return address_file.read_text().strip()
        time.sleep(0.02)
    sys.exit(f"the broker does not serve:\n{log.read_text()}")


def converse(address, pki, buf):
    port = address.rsplit(":", 1)[1]
    ca = pki / "broker/ca.pem"
    cert, key = pki / f"agencies/{AGENCY}/system-feed.pem", pki / f"agencies/{AGENCY}/system-feed.key"
    credentials = grpc.ssl_channel_credentials(ca.read_bytes(), key.read_bytes(), cert.read_bytes())
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        grpc.channel_ready_future(channel).result(DEADLINE_S)
        contract = Contract(channel)
        listed = contract.database.get_services()
        check("reflection lists the services", "casebroker.v1.IntakeService" in listed and "grpc.health.v1.Health" in listed, listed)

        statement = contract.parse("Statement", report())
        envelope = sign(statement.SerializeToString(), pki / f"agencies/{AGENCY}/signer-2026a")
        answer = contract.call("IntakeService", "Submit", contract.new("SubmitRequest", signed_statement=envelope))
        recorded = answer.recorded
        check("a statement signed without the SDK is recorded", recorded.position == 1 and not recorded.replayed)
        entry = contract.new("Entry")
        entry.ParseFromString(recorded.entry)
        check("the entry carries the envelope as sent", entry.signed_statement == envelope and len(entry.salt) == 16)

        vkey = contract.call("RegistryService", "GetCaller", contract.new("GetCallerRequest")).log_vkey
        check("the log's key is the one made for it", vkey == (pki / "broker/log.vkey").read_text().strip(), vkey)
        check("the receipt verifies with code of its own", verify_receipt(recorded.receipt, recorded.entry, vkey))
        check("the receipt of another entry does not", not verify_receipt(recorded.receipt, recorded.entry + b"x", vkey))

        again = contract.call("IntakeService", "Submit", contract.new("SubmitRequest", signed_statement=envelope)).recorded
        check("the same request gets the same receipt", again.replayed and again.receipt == recorded.receipt and again.entry == recorded.entry)

        got = contract.call("CaseService", "GetCase", contract.new("GetCaseRequest", name=statement.case)).case
        check("the case comes back", got.report.title == statement.report.report.title and got.revision == 1)
        check("quantities come back in integers beside what was reported", got.report.items[0].quantity.normalized == 453_592_370)

        tampered = envelope[:-1] + bytes([envelope[-1] ^ 1])
        code, details = contract.refused("IntakeService", "Submit", contract.new("SubmitRequest", signed_statement=tampered))
        check("a changed signature is refused with its reason", code == grpc.StatusCode.INVALID_ARGUMENT and b"SIGNATURE_INVALID" in details, (code, details))

        # More than the default limit of metadata would hold.
        wrong = report("interop-wrong")
        item = {"substance": {"casNumber": "1-1-1"}, "quantity": {"value": "many", "unit": "UNIT_POUND"}, "purityPercent": "all"}
        wrong["report"]["report"]["items"] = [item] * 20
        envelope = sign(contract.parse("Statement", wrong).SerializeToString(), pki / f"agencies/{AGENCY}/signer-2026a")
        code, details = contract.refused("IntakeService", "Submit", contract.new("SubmitRequest", signed_statement=envelope))
        check("sixty violations reach a stock client", code == grpc.StatusCode.INVALID_ARGUMENT and b"INVALID_FIELDS" in details and b"left out" in details, (code, details))

    request = json.dumps({"name": statement.case})
    curl = [buf, "curl", "--protocol", "grpc", "--cacert", ca, "--cert", cert, "--key", key, "-d"]
    case = json.loads(run([*curl, request, f"https://localhost:{port}/casebroker.v1.CaseService/GetCase"]))["case"]
    check("buf curl gets the case over reflection and mutual TLS", case["name"] == statement.case and case["owner"] == f"agencies/{AGENCY}", case)
    second = contract.parse("Statement", report("interop-2"))
    envelope = sign(second.SerializeToString(), pki / f"agencies/{AGENCY}/signer-2026a")
    request = json.dumps({"signedStatement": base64.b64encode(envelope).decode()})
    answer = json.loads(run([*curl, request, f"https://localhost:{port}/casebroker.v1.IntakeService/Submit"]))
    check("buf curl submits", answer["recorded"]["position"] == "2", answer)


class Contract:
    """Messages and methods, as the broker describes them."""

    def __init__(self, channel):
        self.channel = channel
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def new(self, name, /, **fields):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"casebroker.v1.{name}"))(**fields)

    def parse(self, name, value):
        return json_format.ParseDict(value, self.new(name), descriptor_pool=self.pool)

    def call(self, service, method, request):
        described = self.pool.FindServiceByName(f"casebroker.v1.{service}").FindMethodByName(method)
        answer = message_factory.GetMessageClass(described.output_type)
        stub = self.channel.unary_unary(
            f"/casebroker.v1.{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return stub(request, timeout=DEADLINE_S)

    def refused(self, service, method, request):
        try:
            self.call(service, method, request)
        except grpc.RpcError as error:
            details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
            return error.code(), details
        return grpc.StatusCode.OK, b""


def report(case="interop-1"):
    name = f"agencies/{AGENCY}/cases/{case}"
    return {
        "case": name,
        "requestId": str(uuid.uuid4()),
        "makeTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "report": {"report": {
            "name": name,
            "title": "One pound of white powder in a parcel (made up for a test)",
            "incidentDate": {"year": 2016, "month": 6},
            "place": {"country": "US", "subdivision": "US-OH", "kind": "PLACE_KIND_MAIL_FACILITY"},
            "items": [{
                "substance": {"catalogueId": "carfentanil", "casNumber": "59708-52-0"},
                "quantity": {"value": "1", "unit": "UNIT_POUND", "qualifier": "QUALIFIER_ABOUT"},
            }],
            "handling": {"tlp": "TLP_GREEN"},
        }},
    }


def sign(payload, signer):
    """COSE_Sign1 (RFC 9052, section 4.2 and 4.4) with ES256, content type and x5t (RFC 9360)."""
    certificate = x509.load_pem_x509_certificate(signer.with_suffix(".pem").read_bytes())
    key = serialization.load_pem_private_key(signer.with_suffix(".key").read_bytes(), None)
    thumbprint = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
    protected = cbor2.dumps({1: -7, 3: "application/protobuf; proto=casebroker.v1.Statement", 34: [-16, thumbprint]})
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))


def verify_receipt(receipt, entry, vkey):
    """C2SP tlog-proof over RFC 6962, checked with the definition of the tree and nothing else of ours."""
    proof, _, checkpoint = receipt.partition("\n\n")
    lines = proof.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1" and lines[1].startswith("index ")
    index, path = int(lines[1][6:]), [base64.b64decode(line) for line in lines[2:]]
    text, _, signatures = checkpoint.partition("\n\n")
    origin, size, root = text.split("\n")[:3]

    name, key_id, key = vkey.split("+", 2)
    key = base64.b64decode(key)
    assert key[0] == 1 and name == origin
    line = next(line for line in signatures.split("\n") if line.startswith(f"— {name} "))
    signature = base64.b64decode(line.rsplit(" ", 1)[1])
    assert signature[:4].hex() == key_id
    ed25519.Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], (text + "\n").encode())

    node = hashlib.sha256(b"\0" + entry).digest()
    left, last = index, int(size) - 1
    for sibling in path:
        # RFC 9162, section 2.1.3.2.
        if left % 2 or left == last:
            node = hashlib.sha256(b"\1" + sibling + node).digest()
            while left % 2 == 0 and left:
                left, last = left >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + sibling).digest()
        left, last = left >> 1, last >> 1
    return last == 0 and node == base64.b64decode(root)


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    if done.returncode:
        check(f"{command[0]} succeeds", False, done.stderr)
    return done.stdout


main(*sys.argv[1:3])
