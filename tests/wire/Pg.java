// Pg.java - the PostgreSQL JDBC driver against songhua: metadata, parameters, portals with row limits, errors.
// SPDX-License-Identifier: Apache-2.0
import java.sql.*;
import java.util.Properties;

public class Pg {
    static void tables(DatabaseMetaData m) throws SQLException {
        try (ResultSet r = m.getTables(null, "public", "%", new String[] {"TABLE"})) {
            while (r.next()) {
                System.out.println("table " + r.getString("TABLE_NAME"));
            }
        }
        try (ResultSet r = m.getColumns(null, "public", "latest", null)) {
            while (r.next()) {
                System.out.println("column " + r.getString("COLUMN_NAME") + " " + r.getString("TYPE_NAME"));
            }
        }
        try (ResultSet r = m.getPrimaryKeys(null, "public", "points")) {
            System.out.println("key " + r.next());
        }
        try (ResultSet r = m.getSchemas()) {
            while (r.next()) {
                System.out.println("schema " + r.getString(1));
            }
        }
    }

    // Seven times: from the fifth on the driver uses a named statement and binary values.
    static void parameters(Connection c) throws SQLException {
        String text = "SELECT time, value, quality FROM history WHERE point = ? AND time >= ? AND value < ? ORDER BY time LIMIT 3";
        try (PreparedStatement s = c.prepareStatement(text)) {
            for (int k = 0; k < 7; k++) {
                s.setString(1, "pump1/flow");
                s.setTimestamp(2, new Timestamp(1767225601000L));
                s.setDouble(3, 100);
                try (ResultSet r = s.executeQuery()) {
                    while (r.next()) {
                        System.out.println("row " + k + " " + r.getTimestamp(1).getTime() + " " + r.getDouble(2) + " " + r.getInt(3));
                    }
                }
            }
        }
    }

    public static void main(String[] a) throws Exception {
        Properties p = new Properties();
        p.setProperty("user", a[2]); // the token's id: SCRAM-SHA-256
        p.setProperty("password", a[1]);
        p.setProperty("sslmode", "require");
        try (Connection c = DriverManager.getConnection(a[0], p)) {
            tables(c.getMetaData());
            parameters(c);
            c.setAutoCommit(false);
            int n = 0;
            try (Statement s = c.createStatement()) {
                s.setFetchSize(100);
                try (ResultSet r = s.executeQuery("SELECT value FROM history WHERE point = 'big/v'")) {
                    while (r.next()) {
                        n++;
                    }
                }
            }
            c.commit();
            System.out.println("fetched " + n);
            try (Statement s = c.createStatement()) {
                s.executeQuery("SELECT nope FROM points");
            } catch (SQLException e) {
                System.out.println("error " + e.getSQLState());
            }
            c.rollback();
            System.out.println("valid " + c.isValid(5));
        }
    }
}
