/*
 * conf_apply: the configuration as the rest of the house wants it.
 *
 * For: worker, supervisor, `authmill check --config`. Waits: am_conf_check and am_conf_dns read
 * files. Memory: what they hand out points into the configuration. Callers: anyone.
 */
#include "milter/conf.h"
#include "milter/access.h"

#include <unistd.h>
#include <errno.h>
#include <string.h>

void am_conf_options(const am_conf *c, am_options *out)
{
    *out = (am_options){
        .spf = {c->spf.max_terms, c->spf.max_void, c->spf.max_names, c->spf.max_questions},
        .dkim = {.engine = c->dkim.engine,
            .max_signatures = c->dkim.max_signatures,
            .body_length_policy = c->dkim.body_length_policy,
            .min_rsa_bits = c->dkim.min_rsa_bits,
            .max_rsa_bits = c->dkim.max_rsa_bits,
            .clock_drift = c->dkim.clock_drift},
        .arc = {.max_sets = c->arc.max_sets,
            .min_rsa_bits = c->dkim.min_rsa_bits,
            .max_rsa_bits = c->dkim.max_rsa_bits,
            .clock_drift = c->dkim.clock_drift},
        .trusted_sealers = c->arc.sealers,
        .dmarc = {.psl = c->dmarc.psl, .max_walks = c->dmarc.max_walks},
        .dns = {.wait_ms = c->dns.timeout_ms, .questions = c->limits.dns_questions},
        .max_memory = c->limits.memory,
        .max_fields = c->limits.fields,
        .max_header_octets = c->limits.header_octets,
        .relay = c->trusted_relays.item,
        .relays = c->trusted_relays.n,
        .local = c->local_networks.item,
        .locals = c->local_networks.n,
        .own = c->own,
        .owns = 2,
        .login_map = c->methods.login_map,
        .check_helo = c->methods.helo,
        .check_tls = c->methods.tls,
        .check_trail = c->methods.trail,
        .sender_id = c->methods.sender_id,
        .trust_auth_parameter = c->methods.trust_auth_parameter,
        .receiver = c->receiver,
        .no_prefetch = !c->dns.prefetch,
    };
}

am_dns *am_conf_dns(const am_conf *c, am_error *why)
{
    if (c->dns.zones.n)
        return am_dns_zonefiles(c->dns.zones.item, c->dns.zones.n, why);
    am_dns_options o = {
        .nameserver = c->dns.nameservers.item,
        .nameservers = c->dns.nameservers.n,
        .resolv_conf = c->dns.resolv_conf,
        .try_ms = c->dns.try_ms,
        .cache_bytes = c->dns.cache,
        .max_ttl = c->dns.max_ttl,
        .trust_ad = c->dns.trust_ad,
    };
    return am_dns_network(&o, why);
}

const char *am_conf_journal(const am_conf *c)
{
    return c->decision_log.journal ? "/run/systemd/journal/socket" : "";
}

bool am_conf_check(const am_conf *c, am_error *why)
{
    am_error e;
    for (unsigned i = 0; i < c->dns.zones.n; i++)
        if (!am_access_plain(c->dns.zones.item[i], &e))
            return am_conf_wrong(c, "dns", "zones", why, "%s", e.text);
    if (c->dns.zones.n) {
        am_dns *d = am_dns_zonefiles(c->dns.zones.item, c->dns.zones.n, &e);
        am_dns_free(d);
        return d || am_conf_wrong(c, "dns", "zones", why, "%s", e.text);
    }
    if (c->dns.nameservers.n > AM_SERVERS_MAX)
        return am_conf_wrong(c, "dns", "nameservers", why, "%u are too many; at most %d",
            c->dns.nameservers.n, (int)AM_SERVERS_MAX);
    if (!c->dns.nameservers.n && !am_access_plain(c->dns.resolv_conf, &e))
        return am_conf_wrong(c, "dns", "resolv-conf", why, "%s", e.text);
    if (c->dns.nameservers.n || access(c->dns.resolv_conf, R_OK) == 0)
        return true;
    return am_conf_wrong(c, "dns", "resolv-conf", why, "%s: %s; set dns.nameservers",
        c->dns.resolv_conf, strerror(errno));
}

static bool is_in(const am_ip *ip, const am_conf_nets *list)
{
    for (unsigned i = 0; i < list->n; i++)
        if (am_ip_in(ip, &list->item[i]))
            return true;
    return false;
}

am_class am_conf_class(
    const am_conf *c, const am_conf_classes *list, const am_ip *ip, bool authenticated)
{
    const bool is[] = {[AM_CLASS_AUTHENTICATED] = authenticated,
        [AM_CLASS_LOCAL] = ip->family && is_in(ip, &c->local_networks),
        [AM_CLASS_SUBMISSION] = !ip->family && !authenticated};
    for (unsigned i = 0; i < list->n; i++)
        if (is[list->item[i]])
            return list->item[i];
    return AM_CLASS_NONE;
}

bool am_conf_skips(const am_conf *c, const am_ip *ip, bool authenticated)
{
    return !is_in(ip, &c->trusted_relays) &&
           am_conf_class(c, &c->skip, ip, authenticated) != AM_CLASS_NONE;
}
