/* A signer for tests: canonical forms and hashes by the letter of RFC 6376 3.4 and 3.7, slowly,
 * and with nothing of libauth/sig in it. */
#ifndef AM_T_UNIT_SIGNER_H
#define AM_T_UNIT_SIGNER_H

#include "libauth/base/str.h"

#include <openssl/evp.h>

am_str ref_field(am_arena *a, bool relaxed, am_str raw); /* without the final CRLF */
am_str ref_body(am_arena *a, bool relaxed, am_str body);

typedef struct signing {
    EVP_PKEY *key;
    const char *field; /* the field; "@BH@" and "@B@" stand for what is computed */
    const char *names; /* h=, with bare colons */
    bool relaxed_header, relaxed_body;
    long length;            /* l=; -1: the whole body */
    const char *const *raw; /* the other fields, top down, ended by NULL */
    am_str body;
} signing;

am_str sign_message(am_arena *a, const signing *s); /* the complete field */

EVP_PKEY *rsa_key(size_t bits); /* made anew; to be freed */
EVP_PKEY *ed25519_key(void);
am_str base64_of(am_arena *a, am_str s);
am_str key_base64(am_arena *a, EVP_PKEY *key); /* for p=: SubjectPublicKeyInfo, or the bare key */
am_str spki_der(am_arena *a, EVP_PKEY *key);

#endif
