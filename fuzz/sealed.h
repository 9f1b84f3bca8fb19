/* Messages that are signed on the way into a target: what the fuzzer alone could never make. */
#ifndef AM_FUZZ_SEALED_H
#define AM_FUZZ_SEALED_H

#include "libauth/mail/header.h"
#include "libauth/sig/signature.h"

/* The fixed keys: 'e' Ed25519, 'r' RSA of 1024 bits. */
void *sealed_key(char kind);                  /* an EVP_PKEY, to be kept */
am_str sealed_record(am_arena *a, char kind); /* the key record */

/* Fields of `text`, each ended by an LF that folds nothing; only those with a name as RFC
 * 5322 3.6.8 has it and without NUL. */
void sealed_fields(am_header *h, am_str text);

/* The value `text` of a signature field with @BH@ and @B@ in it, computed over the header's fields
 * as they are and the body by t/unit/signer.c. False: its tags are not well formed, or the marks
 * are not where their values belong; *out is then the text. */
bool sealed_sign(am_arena *a, char key, am_sigkind kind, const char *name, am_str text,
    const am_header *h, am_str body, am_str *out);

#endif
