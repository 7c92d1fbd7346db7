# SPDX-License-Identifier: Apache-2.0
"""Op declarations, one family a file. Their names are in `candelabra` itself; `_names` lists the families."""
