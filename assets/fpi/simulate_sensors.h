/* simulate_sensors.h: the cloud sensor and the temperature loggers of a synthetic night, as the instrument sends them. */
#ifndef FPI_SIMULATE_SENSORS_H
#define FPI_SIMULATE_SENSORS_H

#include "assets/fpi/simulate.h"

enum sim_cloud_sensor { SIM_CLOUD_NONE, SIM_CLOUD_BOLTWOOD, SIM_CLOUD_SKYALERT, SIM_CLOUD_ETHERNET };

/* Cloud_SITE_DATE.txt for every local date from five hours before dusk to three after dawn. */
int sim_cloud_files(const struct sim_night *, enum sim_cloud_sensor, const char *dir, struct err *err);
/* TempL_, TempL00_ and TempL01_SITE_DATE.txt for the same dates. */
int sim_temperature_files(const struct sim_night *, const char *dir, struct err *err);

#endif
