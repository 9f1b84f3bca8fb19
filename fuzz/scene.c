/*
 * scene: reads the input of the targets that judge messages.
 *
 * For: fuzz targets. Waits: never. Memory: ranges point into the input. Callers: one thread.
 */
#include "fuzz/scene.h"
#include "fuzz/fuzz.h"

static void options(scene *s, am_str text)
{
    while (text.n) {
        unsigned letter = fuzz_octet(&text);
        s->opt[letter] = true;
        s->value[letter] = fuzz_number(&text);
    }
}

static void line(scene *s, am_str text)
{
    am_str rest = text, word = fuzz_word(&rest);
    if (am_str_is(word, "ip")) {
        s->has_ip = true;
        am_ip_parse(rest, &s->ip);
    } else if (am_str_is(word, "helo")) {
        s->has_helo = true;
        s->helo = rest;
    } else if (am_str_is(word, "mail")) {
        s->has_mail = true;
        s->mail = rest;
    } else if (am_str_is(word, "auth")) {
        s->has_auth = true;
        s->auth = rest;
    } else if (am_str_is(word, "domain")) {
        s->domain = rest;
    } else if (am_str_is(word, "id")) {
        if (s->ids < SCENE_IDS)
            s->id[s->ids++] = rest;
    } else if (am_str_is(word, "opt")) {
        options(s, rest);
    } else {
        fake_zone_row(s->zone, text);
    }
}

unsigned scene_limit(const scene *s, unsigned char letter)
{
    return s->value[letter] < 100 ? s->value[letter] : 100;
}

scene scene_begin(am_str input)
{
    scene s = {.zone = fake_zone_new()};
    while (input.n) {
        am_str text = fuzz_line(&input);
        if (!text.n)
            break;
        line(&s, text);
    }
    if (s.opt['d'])
        fake_zone_late(s.zone);
    s.rest = input;
    return s;
}

void scene_end(scene *s)
{
    fake_zone_free(s->zone);
}
