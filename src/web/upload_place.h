/* upload_place.h: the partition that the run of an upload would have, before there is a run. */
#ifndef UPLOAD_PLACE_H
#define UPLOAD_PLACE_H

struct conf;
struct upload_places;

/* Of many uploads, without reading their sensor's patterns anew for each; conf is lent and must outlive it. */
struct upload_places *upload_places_new(const struct conf *conf);
void upload_places_free(struct upload_places *); /* NULL is fine */
/* The caller's to free; NULL: the key does not tell, or the sensor is not configured. */
char *upload_place(struct upload_places *, const char *sensor, const char *key);

#endif
