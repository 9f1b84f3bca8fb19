/* Faults on order: the n-th call of the C library that libauth makes fails, once or from then on.
 */
#ifndef AM_T_FAULT_H
#define AM_T_FAULT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* The linker puts these functions in the place of the library's (--wrap): see Makefile.am. */

/* From now on: call number n (from 0) fails; `lasting`: and all that follow. n < 0: none fails. */
void fault_arm(int n, bool lasting);

/* Stops. Returns how many calls there were since fault_arm. */
int fault_disarm(void);

/* True: since fault_arm at least one call has failed. */
bool fault_met(void);

/* This thread's calls are neither counted nor failed. */
void fault_spare(void);

/* For OpenSSL (CRYPTO_set_mem_functions). */
void *fault_crypto_malloc(size_t n, const char *file, int line);
void *fault_crypto_realloc(void *p, size_t n, const char *file, int line);
void fault_crypto_free(void *p, const char *file, int line);

/* Name of the function that failed first, or "". */
const char *fault_name(void);

#endif
