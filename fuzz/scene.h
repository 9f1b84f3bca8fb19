/* One message with its envelope and its DNS, as the input of a target.
 *
 * Lines up to an empty one, then the message. A line is "ip ADDR", "helo NAME", "mail PATH", "auth
 * USER", "from", "domain" or "id" and a text for targets that want one, "opt LETTERS" (each may be
 * followed by a number), or a row of the zone (fuzz/fakedns.h). */
#ifndef AM_FUZZ_SCENE_H
#define AM_FUZZ_SCENE_H

#include "fuzz/fakedns.h"
#include "libauth/base/ip.h"

enum { SCENE_IDS = 40, SCENE_NOW = 1700000000 };

typedef struct scene {
    fake_zone *zone;
    am_ip ip; /* family 0: none, or no address */
    am_str helo, mail, auth, domain;
    bool has_helo, has_mail, has_auth, has_ip;
    am_str id[SCENE_IDS]; /* "id" lines */
    size_t ids;
    bool opt[256];       /* the letter stands there */
    unsigned value[256]; /* its number; 0: none */
    am_str rest;         /* what follows the empty line */
} scene;

/* An option's number as a limit; beyond 100, which is as far as the configuration goes, it is 100.
 */
unsigned scene_limit(const scene *s, unsigned char letter);

/* Never fails; scene_end lets the zone go. */
scene scene_begin(am_str input);
void scene_end(scene *s);

#endif
