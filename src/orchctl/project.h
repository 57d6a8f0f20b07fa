/* project.h: the files of a new project, made from etc/ and jobs/ when orchctl is built. */
#ifndef PROJECT_H
#define PROJECT_H

struct project_file {
	const char *name, *text; /* name: relative to the project's folder */
};
extern const struct project_file project_files[]; /* ends with a NULL name; orch.yaml is the last before it */

#endif
