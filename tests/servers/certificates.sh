# Makes the certificates of the lab's web servers in the folder $1: an authority, whom the lab's client
# trusts, and one certificate for each way of being good or bad, a PEM file each with its key. With $2 and $3
# one more of that authority's, by this name and for so many days, and nothing else.
set -eu
cd "$1"

key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null
}

# name, issuer, subject, extension, days; before them what runs openssl, for another time
sign() {
    key "$1"
    printf '%s\n' "$4" >"$1.ext"
    openssl req -new -key "$1.key" -subj "/CN=$3" -out "$1.csr" 2>/dev/null
    ${AT:-} openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -days "$5" -extfile "$1.ext" -out "$1.crt" 2>/dev/null
    cat "$1.key" "$1.crt" >"$1.pem"
}

good="subjectAltName=DNS:web.lab.internal,DNS:*.web.lab.internal,DNS:changing.lab.internal,IP:10.66.2.2,IP:fd66:2::2"
if [ $# -gt 1 ]; then
    sign "$2" authority web.lab.internal "$good" "$3"
    exit
fi

own_ca="basicConstraints=critical,CA:true"
key authority
openssl req -x509 -key authority.key -subj "/O=Lab/CN=Lab authority" -days 3650 -addext "$own_ca" -out authority.crt
sign intermediate authority "Lab intermediate" "$own_ca" 365
sign good authority web.lab.internal "$good" 90
sign wrong authority other.lab.internal "subjectAltName=DNS:other.lab.internal" 90
AT="faketime 2020-01-01" sign expired authority web.lab.internal "subjectAltName=DNS:web.lab.internal,IP:10.66.2.2" 90
sign chained intermediate web.lab.internal "subjectAltName=DNS:web.lab.internal" 90
cat intermediate.crt >>chained.pem
key self-signed
openssl req -x509 -key self-signed.key -subj /CN=web.lab.internal -days 90 \
    -addext "subjectAltName=DNS:web.lab.internal,IP:10.66.2.2" -out self-signed.crt
cat self-signed.key self-signed.crt >self-signed.pem

# As the machines of a network trust their own authority.
mkdir -p ssl/certs
cp authority.crt ssl/certs/ca-certificates.crt
cp /etc/ssl/openssl.cnf ssl/
openssl rehash ssl/certs
