/*
 * Linked into the static program alone: how it finds the addresses of names.
 *
 * The C library asks the modules that /etc/nsswitch.conf names, and a static program has to load them together with the machine's own C
 * library: of another release than the one inside, they end the process (seen on Debian 13 with `resolve` and with `mdns4_minimal`). What is
 * inside already, the file of hosts and DNS, is enough on a node; systemd-resolved answers DNS too.
 * Interface: https://sourceware.org/glibc/manual/latest/html_node/Actions-in-the-NSS-configuration.html and <nss.h>.
 */
#include <nss.h>

__attribute__((constructor)) static void names_come_from_hosts_and_dns(void)
{
	__nss_configure_lookup("hosts", "files dns");
}
