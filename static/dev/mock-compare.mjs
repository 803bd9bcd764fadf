export const compareRoutes = [];
